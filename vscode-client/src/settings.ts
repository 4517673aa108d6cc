// What a person has set, read when it is needed: settings change at any time.

import { ConfigurationTarget, type TextDocument, Uri, window, workspace, type WorkspaceConfiguration } from "vscode";

export const SECTION = "seedfill";

/** The sections that the language server understands; the others are this extension's own. */
const SERVER_SECTIONS = ["completion", "sampler", "statistics", "log"] as const;

/** A setting that names a program, a folder or an address: trimmed, empty where none is given. */
export function text(name: string): string {
  return (settingsIn(undefined).get<string | null>(name) ?? "").trim();
}

/** All settings of the language server, as it reads them: of a folder, named by its URI, or else of the window. */
export function serverSettings(folder?: string): Record<string, unknown> {
  const configuration = settingsIn(folder === undefined ? undefined : Uri.parse(folder));
  return Object.fromEntries(SERVER_SECTIONS.map((section) => [section, configuration.get(section)]));
}

/** Whether suggestions come unasked where the person is. */
export function areExpected(): boolean {
  const document = here();
  return isEnabled() && (document === undefined || isWantedIn(document));
}

/** Whether suggestions come unasked in a document's language. */
export function isWantedIn(document: TextDocument): boolean {
  return wantedLanguages(document.uri).some((language) => language === "*" || language === document.languageId);
}

/** Switch unasked suggestions. */
export async function toggle(): Promise<void> {
  await change("completion.enabled", !isEnabled());
}

/** Switch unasked suggestions in the language of the document that the person is in. */
export async function toggleLanguage(): Promise<void> {
  const document = here();
  if (!document) return;
  const language = document.languageId;
  const wanted = wantedLanguages(document.uri);
  if (wanted.includes("*")) {
    throw new Error("All languages (*) are on in seedfill.completion.languages: name those you want, to leave out one.");
  }
  const others = wanted.filter((one) => one !== language);
  await change("completion.languages", others.length < wanted.length ? others : [...others, language]);
}

/** Use the model in a folder, or with null the one that comes with Seedfill. */
export async function useModel(folder: string | null): Promise<void> {
  await change("sampler.model", folder);
}

function isEnabled(): boolean {
  return settingsIn(here()?.uri).get("completion.enabled", true);
}

function wantedLanguages(scope: Uri | undefined): string[] {
  return settingsIn(scope).get<string[]>("completion.languages", []);
}

/** The settings that hold for a file or a folder; without one, in the window. */
function settingsIn(scope: Uri | undefined): WorkspaceConfiguration {
  return workspace.getConfiguration(SECTION, scope ?? null);
}

/** The document that the person is in; the panel below counts as none. */
function here(): TextDocument | undefined {
  const document = window.activeTextEditor?.document;
  return document?.uri.scheme === "output" ? undefined : document;
}

/** Write a setting where the value that holds here was made: in the folder, in the workspace, else for all of them. */
async function change(name: string, value: unknown): Promise<void> {
  const configuration = settingsIn(here()?.uri);
  const made = configuration.inspect(name);
  const ofFolder = made?.workspaceFolderValue === undefined ? undefined : ConfigurationTarget.WorkspaceFolder;
  const ofWorkspace = made?.workspaceValue === undefined ? undefined : ConfigurationTarget.Workspace;
  await configuration.update(name, value, ofFolder ?? ofWorkspace ?? ConfigurationTarget.Global);
}
