// The extension: commands, settings and a status item around one session with the language server.

import { type ExtensionContext, type TextDocument, window, workspace } from "vscode";
import { registerCommands } from "./commands";
import { Environment } from "./environment";
import { Hunks } from "./hunks";
import { programFromSettings } from "./program";
import { Session } from "./session";
import { areExpected, isWantedIn, SECTION } from "./settings";
import { Status } from "./status";

/** A change of any of these needs another server process. */
const OF_THE_PROCESS = ["server", "install"].map((section) => `${SECTION}.${section}`);

let session: Session | undefined;

export function activate(context: ExtensionContext): void {
  const log = window.createOutputChannel("Seedfill", { log: true });
  const status = new Status();
  const hunks = new Hunks();
  const environment = new Environment(context, log);
  const ours = new Session(async () => (await programFromSettings()) ?? (await environment.program()), {
    log,
    status,
    hunks,
  });
  session = ours;

  const startIfWanted = (document: TextDocument): void => {
    if (!ours.hasStarted && isWantedIn(document)) void ours.start();
  };
  context.subscriptions.push(
    log,
    status,
    hunks,
    ...registerCommands(ours, { log, status, memory: context.globalState }),
    workspace.onDidOpenTextDocument(startIfWanted),
    window.onDidChangeActiveTextEditor(() => (status.areExpected = areExpected())),
    workspace.onDidChangeConfiguration(async (change) => {
      if (!change.affectsConfiguration(SECTION)) return;
      status.areExpected = areExpected();
      const isOfTheProcess = OF_THE_PROCESS.some((section) => change.affectsConfiguration(section));
      if (ours.hasStarted) await (isOfTheProcess ? ours.restart() : ours.announceSettings());
      workspace.textDocuments.forEach(startIfWanted);
    }),
  );
  status.areExpected = areExpected();
  workspace.textDocuments.forEach(startIfWanted);
}

export async function deactivate(): Promise<void> {
  await session?.stop();
}
