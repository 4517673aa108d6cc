// Edits as a person asks for them: with an instruction, or by a command of the server's on the selection.

import { type Memento, type QuickPickItem, type Range, type TextEditor, window } from "vscode";
import type { Session } from "./session";

const HISTORY = "instructions";
const N_KEPT = 20;

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

async function askForInstruction(memory: Memento): Promise<string | undefined> {
  const history = memory.get<string[]>(HISTORY, []);
  const instruction = await pickOrType(history.map((label) => ({ label, description: "asked before" })));
  if (instruction) {
    const others = history.filter((other) => other !== instruction);
    await memory.update(HISTORY, [instruction, ...others].slice(0, N_KEPT));
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
