// What a person has set, read when it is needed: settings change at any time.

import { ConfigurationTarget, type TextDocument, workspace } from "vscode";

export const SECTION = "seedfill";

/** The sections that the language server understands; the others are this extension's own. */
const SERVER_SECTIONS = ["completion", "sampler", "log"] as const;

/** A setting that names a program, a folder or an address: trimmed, empty where none is given. */
export function text(name: string): string {
  return workspace.getConfiguration(SECTION).get<string>(name, "").trim();
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
  const languages = workspace.getConfiguration(SECTION).get<string[]>("completion.languages", []);
  return languages.includes("*") || languages.includes(document.languageId);
}

/** Switch unasked suggestions, where the setting that holds now was made. */
export async function toggle(): Promise<void> {
  const configuration = workspace.getConfiguration(SECTION);
  const isOfWorkspace = configuration.inspect("completion.enabled")?.workspaceValue !== undefined;
  const target = isOfWorkspace ? ConfigurationTarget.Workspace : ConfigurationTarget.Global;
  await configuration.update("completion.enabled", !isEnabled(), target);
}
