// What lines become while the model writes them: shown behind the old ones, which fade, until it is over.

import { type Disposable, type TextEditor, ThemeColor, Uri, window } from "vscode";
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
  const lastLine = range.end.character === 0 ? range.end.line - 1 : range.end.line;
  const lines = Array.from({ length: Math.max(0, lastLine - range.start.line + 1) }, (_, i) => range.start.line + i);
  const ranges = lines.filter((n) => n < editor.document.lineCount).map((n) => editor.document.lineAt(n).range);
  editor.setDecorations(FADED, text === null ? [] : ranges);
  editor.setDecorations(
    WRITTEN,
    ranges.flatMap((place, i) => {
      const contentText = i === ranges.length - 1 ? written.slice(i).join(" ⏎ ") : written[i];
      return contentText ? [{ range: place, renderOptions: { after: { contentText } } }] : [];
    }),
  );
}
