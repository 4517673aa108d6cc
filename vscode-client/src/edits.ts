// Edits that the server makes: asked for with an instruction, told of when refused, shown part by part when made.

import { EndOfLine, type Memento, type QuickPickItem, Range, type TextDocument, type TextEditor, window, workspace } from "vscode";
import type { ApplyWorkspaceEditParams, ApplyWorkspaceEditResult, ResponseError, TextEdit } from "vscode-languageclient/node";
import { TextDocumentEdit } from "vscode-languageclient/node";
import type { Change, Hunks } from "./hunks";
import type { Session } from "./session";

const HISTORY = "instructions";
const N_REMEMBERED = 20;

/** Ask what is to become of the selection, and have it done. */
export async function rewriteSelection(session: Session, memory: Memento): Promise<void> {
  const editor = window.activeTextEditor;
  if (!editor) return;
  const instruction = await askForInstruction(memory);
  if (!instruction) return;
  await session.execute("seedfill.rewrite", editor.document.uri.toString(), selected(editor), instruction);
}

/** Run an edit command of the server on the selection, or on the whole document where nothing is selected. */
export async function editSelection(session: Session, command: string): Promise<void> {
  const editor = window.activeTextEditor;
  if (!editor) return;
  const range = editor.selection.isEmpty ? [] : [plain(editor.selection)];
  await session.execute(command, editor.document.uri.toString(), ...range);
}

type Result = ApplyWorkspaceEditResult | ResponseError<void>;

/** Where VS Code shows no lenses, so that parts could not be decided on. */
const NOTEBOOK_CELL = "vscode-notebook-cell";

/** Apply an edit of the server by way of `apply`, and show its parts where all is in one document. */
export async function applyInParts(
  { edit }: ApplyWorkspaceEditParams,
  apply: () => Promise<Result>,
  hunks: Hunks,
): Promise<Result> {
  const [change, ...others] = edit.documentChanges ?? [];
  const isOne = change !== undefined && TextDocumentEdit.is(change) && others.length === 0;
  const document = isOne ? workspace.textDocuments.find((open) => sameUri(open, change.textDocument.uri)) : undefined;
  if (!isOne || !document || document.uri.scheme === NOTEBOOK_CELL) return apply();
  const before = document.getText();
  const changes = (change.edits as TextEdit[]).map((edit) => offsets(document, edit)).sort((a, b) => a.start - b.start);
  const result = await apply();
  if ("applied" in result && result.applied) hunks.show(document, before, changes);
  return result;
}

async function askForInstruction(memory: Memento): Promise<string | undefined> {
  const history = memory.get<string[]>(HISTORY, []);
  const instruction = await pickOrType(history.map((label) => ({ label, description: "asked before" })));
  if (instruction) {
    const others = history.filter((other) => other !== instruction);
    await memory.update(HISTORY, [instruction, ...others].slice(0, N_REMEMBERED));
  }
  return instruction;
}

/** What was typed, or else the item that was chosen. */
function pickOrType(known: readonly QuickPickItem[]): Promise<string | undefined> {
  const box = window.createQuickPick();
  box.title = "Rewrite Selection";
  box.placeholder = "What is to become of it? Type an instruction, or choose an old one";
  box.items = known;
  return new Promise((resolve) => {
    box.onDidChangeValue((value) => {
      const typed = value.trim();
      box.items = typed && !known.some(({ label }) => label === typed) ? [{ label: typed }, ...known] : known;
    });
    box.onDidAccept(() => {
      resolve(box.selectedItems[0]?.label ?? (box.value.trim() || undefined));
      box.hide();
    });
    box.onDidHide(() => {
      resolve(undefined);
      box.dispose();
    });
    box.show();
  });
}

/** The selection; without one, the line of the cursor. */
function selected({ document, selection }: TextEditor): unknown {
  return plain(selection.isEmpty ? document.lineAt(selection.active.line).range : selection);
}

function plain({ start, end }: Range): unknown {
  return {
    start: { line: start.line, character: start.character },
    end: { line: end.line, character: end.character },
  };
}

function sameUri(document: TextDocument, uri: string): boolean {
  return document.uri.toString() === uri || decodeURIComponent(document.uri.toString()) === decodeURIComponent(uri);
}

function offsets(document: TextDocument, { range, newText }: TextEdit): Change {
  const { start, end } = range;
  const span = new Range(start.line, start.character, end.line, end.character);
  const eol = document.eol === EndOfLine.CRLF ? "\r\n" : "\n";
  return { start: document.offsetAt(span.start), end: document.offsetAt(span.end), text: newText.replace(/\r?\n/g, eol) };
}
