// What a person has set, read when it is needed: settings change at any time.

import { ConfigurationTarget, type TextDocument, workspace } from "vscode";

export const SECTION = "seedfill";

/** The sections that the language server understands; the others are this extension's own. */
const SERVER_SECTIONS = ["completion", "sampler", "statistics", "log"] as const;

/** A setting that names a program, a folder or an address: trimmed, empty where none is given. */
export function text(name: string): string {
  return (workspace.getConfiguration(SECTION).get<string | null>(name) ?? "").trim();
}

/** All settings of the language server, as it reads them. */
export function serverSettings(): Record<string, unknown> {
  const configuration = workspace.getConfiguration(SECTION);
  return Object.fromEntries(SERVER_SECTIONS.map((section) => [section, configuration.get(section)]));
}

/** Whether suggestions come unasked. */
export function isEnabled(): boolean {
  return workspace.getConfiguration(SECTION).get("completion.enabled", true);
}

/** Whether suggestions come unasked in a document's language. */
export function isWantedIn(document: TextDocument): boolean {
  return wantedLanguages().some((language) => language === "*" || language === document.languageId);
}

/** Switch unasked suggestions. */
export async function toggle(): Promise<void> {
  await change("completion.enabled", !isEnabled());
}

/** Switch unasked suggestions in one language. */
export async function toggleLanguage(language: string): Promise<void> {
  const others = wantedLanguages().filter((wanted) => wanted !== language);
  const isWanted = others.length < wantedLanguages().length;
  await change("completion.languages", isWanted ? others : [...others, language]);
}

/** Use the model in a folder, or with null the one that comes with Seedfill. */
export async function useModel(folder: string | null): Promise<void> {
  await change("sampler.model", folder);
}

function wantedLanguages(): string[] {
  return workspace.getConfiguration(SECTION).get<string[]>("completion.languages", []);
}

/** Write a setting where the value that holds now was made: in the workspace, else for all of them. */
async function change(name: string, value: unknown): Promise<void> {
  const configuration = workspace.getConfiguration(SECTION);
  const isOfWorkspace = configuration.inspect(name)?.workspaceValue !== undefined;
  await configuration.update(name, value, isOfWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global);
}
