// An edit that the server made, part by part: each can be kept or taken back until something else is typed.

import {
  CodeLens,
  type CodeLensProvider,
  commands,
  type Disposable,
  EventEmitter,
  languages,
  OverviewRulerLane,
  Range,
  type TextDocument,
  ThemeColor,
  window,
  workspace,
  WorkspaceEdit,
} from "vscode";

/** A replacement of the old text between two offsets. */
export interface Change {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** One part of an edit: where it is now, and what was there. */
interface Hunk {
  /** What a lens that is still on screen names it by, whatever became of the others. */
  readonly id: number;
  readonly start: number;
  readonly end: number;
  readonly old: string;
}

const SHOWN = window.createTextEditorDecorationType({
  isWholeLine: true,
  backgroundColor: new ThemeColor("diffEditor.insertedLineBackground"),
  overviewRulerColor: new ThemeColor("editorOverviewRuler.addedForeground"),
  overviewRulerLane: OverviewRulerLane.Full,
});

export class Hunks implements CodeLensProvider, Disposable {
  readonly #changed = new EventEmitter<void>();
  readonly onDidChangeCodeLenses = this.#changed.event;
  readonly #subscriptions: Disposable[];
  #document: TextDocument | undefined;
  #version = 0;
  #hunks: readonly Hunk[] = [];
  #lastId = 0;

  constructor() {
    this.#subscriptions = [
      languages.registerCodeLensProvider({ pattern: "**" }, this),
      workspace.onDidChangeTextDocument(({ document }) => {
        if (document === this.#document && document.version !== this.#version) this.#show(undefined, []);
      }),
      window.onDidChangeVisibleTextEditors(() => this.#draw()),
      commands.registerCommand("seedfill.keepHunk", (id: number) => this.#keep(id)),
      commands.registerCommand("seedfill.undoHunk", (id: number) => this.#undo(id)),
    ];
  }

  /** Show the parts of an edit that was made to the document just now, which read `before`. */
  show(document: TextDocument, before: string, changes: readonly Change[]): void {
    let shift = 0;
    const hunks = changes.map(({ start, end, text }) => {
      const id = ++this.#lastId;
      const hunk = { id, start: start + shift, end: start + shift + text.length, old: before.slice(start, end) };
      shift += text.length - (end - start);
      return hunk;
    });
    this.#show(document, hunks);
  }

  provideCodeLenses(document: TextDocument): CodeLens[] {
    if (document !== this.#document) return [];
    return this.#hunks.flatMap(({ id, start }) => {
      const place = new Range(document.positionAt(start), document.positionAt(start));
      return [
        new CodeLens(place, { title: "$(check) Keep", command: "seedfill.keepHunk", arguments: [id] }),
        new CodeLens(place, { title: "$(discard) Take back", command: "seedfill.undoHunk", arguments: [id] }),
      ];
    });
  }

  dispose(): void {
    this.#show(undefined, []);
    for (const subscription of [...this.#subscriptions, this.#changed]) subscription.dispose();
  }

  #keep(id: number): void {
    const rest = this.#hunks.filter((hunk) => hunk.id !== id);
    this.#show(this.#document, rest);
  }

  async #undo(id: number): Promise<void> {
    const document = this.#document;
    const gone = this.#hunks.find((hunk) => hunk.id === id);
    if (!document || !gone) return;
    const shift = gone.old.length - (gone.end - gone.start);
    const rest = this.#hunks
      .filter((hunk) => hunk !== gone)
      .map((hunk) => (hunk.start < gone.start ? hunk : { ...hunk, start: hunk.start + shift, end: hunk.end + shift }));
    const edit = new WorkspaceEdit();
    edit.replace(document.uri, new Range(document.positionAt(gone.start), document.positionAt(gone.end)), gone.old);
    this.#show(undefined, []);
    if (await workspace.applyEdit(edit)) this.#show(document, rest);
  }

  #show(document: TextDocument | undefined, hunks: readonly Hunk[]): void {
    this.#document = hunks.length > 0 ? document : undefined;
    this.#version = document?.version ?? 0;
    this.#hunks = this.#document ? hunks : [];
    this.#draw();
    this.#changed.fire();
  }

  #draw(): void {
    for (const editor of window.visibleTextEditors) {
      const { document } = editor;
      const isOurs = document === this.#document;
      const range = ({ start, end }: Hunk): Range =>
        new Range(document.positionAt(start), document.positionAt(Math.max(start, end - 1)));
      editor.setDecorations(SHOWN, isOurs ? this.#hunks.map(range) : []);
    }
  }
}
