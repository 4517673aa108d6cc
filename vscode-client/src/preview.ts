// What lines become while the model writes them: shown behind the old ones, which fade, until it is over. Lines that
// stay as they are stay as they look.

import { type Disposable, type TextEditor, type TextLine, ThemeColor, Uri, window } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

interface Preview {
  readonly uri: string;
  readonly version: number;
  readonly range: { readonly start: Place; readonly end: Place };
  /** What the range has become so far; null: it is over. */
  readonly text: string | null;
}

interface Place {
  readonly line: number;
  readonly character: number;
}

interface Becoming {
  readonly line: TextLine;
  /** Undefined where nothing has been written yet. */
  readonly becomes: string | undefined;
}

const FADED = window.createTextEditorDecorationType({ opacity: "0.45" });
const WRITTEN = window.createTextEditorDecorationType({
  after: { color: new ThemeColor("editorGhostText.foreground"), margin: "0 0 0 3ch", fontStyle: "italic" },
  isWholeLine: true,
});

/** Draw what the server says of edits that are being written. */
export function showPreviews(client: LanguageClient): Disposable {
  return client.onNotification("seedfill/preview", (preview: Preview) => {
    const uri = Uri.parse(preview.uri).toString();
    for (const editor of window.visibleTextEditors) {
      if (editor.document.uri.toString() === uri) draw(editor, preview);
    }
  });
}

function draw(editor: TextEditor, { range, text }: Preview): void {
  const written = text?.split("\n") ?? [];
  const changed = text === null ? [] : linesOf(editor, range).map((line, i, all) => become(line, written, i, all.length));
  const drawn = changed.filter(({ line, becomes }) => becomes !== line.text);
  editor.setDecorations(FADED, drawn.map(({ line }) => line.range));
  editor.setDecorations(
    WRITTEN,
    drawn.flatMap(({ line, becomes }) => {
      const contentText = becomes?.trim();
      return contentText ? [{ range: line.range, renderOptions: { after: { contentText } } }] : [];
    }),
  );
}

function linesOf({ document }: TextEditor, { start, end }: Preview["range"]): TextLine[] {
  const last = Math.min(end.character === 0 ? end.line - 1 : end.line, document.lineCount - 1);
  return Array.from({ length: Math.max(0, last - start.line + 1) }, (_, i) => document.lineAt(start.line + i));
}

/** What the line at `i` of `n` has become so far; the last one takes all that is longer than the old text. */
function become(line: TextLine, written: readonly string[], i: number, n: number): Becoming {
  return { line, becomes: i === n - 1 ? written.slice(i).join(" ⏎ ") : written[i] };
}
