// Edits as the server makes them: applied in one step, then shown part by part, each to be kept or taken back.

import { EndOfLine, Range, type TextDocument, workspace } from "vscode";
import {
  type ApplyWorkspaceEditParams,
  type ApplyWorkspaceEditResult,
  type ResponseError,
  TextDocumentEdit,
  type TextEdit,
} from "vscode-languageclient/node";
import type { Change, Hunks } from "./hunks";

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

function sameUri(document: TextDocument, uri: string): boolean {
  return document.uri.toString() === uri || decodeURIComponent(document.uri.toString()) === decodeURIComponent(uri);
}

function offsets(document: TextDocument, { range, newText }: TextEdit): Change {
  const { start, end } = range;
  const span = new Range(start.line, start.character, end.line, end.character);
  const eol = document.eol === EndOfLine.CRLF ? "\r\n" : "\n";
  return { start: document.offsetAt(span.start), end: document.offsetAt(span.end), text: newText.replace(/\r?\n/g, eol) };
}
