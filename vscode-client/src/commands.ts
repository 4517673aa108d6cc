// The commands that a person can run. Those that need a server which can do them are hidden where it cannot.

import { commands, type Disposable, type LogOutputChannel, type Memento, window } from "vscode";
import { editSelection, rewriteSelection } from "./edits";
import { pickModel, pickPause } from "./pickers";
import { describeLast, describeStatistics, type Explanation, type Statistics } from "./reports";
import type { Session } from "./session";
import { toggle, toggleLanguage } from "./settings";
import type { Status } from "./status";
import { diagnose } from "./tools";

interface Parts {
  readonly log: LogOutputChannel;
  readonly status: Status;
  /** Keeps the instructions that were given. */
  readonly memory: Memento;
}

/** Register them all; what goes wrong in one is told to the person. */
export function registerCommands(session: Session, { log, status, memory }: Parts): Disposable[] {
  const reports = window.createOutputChannel("Seedfill Reports");
  const show = (report: string): void => {
    reports.replace(report);
    reports.show(true);
  };
  const table: Record<string, () => unknown> = {
    suggest: () => suggest(session),
    rewriteSelection: () => rewriteSelection(session, memory),
    fillAllHoles: () => editSelection(session, "seedfill.fillHoles"),
    repairSelection: () => editSelection(session, "seedfill.repair"),
    toggle,
    toggleLanguage,
    pause: () => pause(session),
    pickModel: async () => pickModel(await session.program()),
    showWhy: async () =>
      show(describeLast(await session.execute<Explanation | null>("seedfill.explain"), status.sentence)),
    showStatistics: async () => show(describeStatistics(await session.execute<Statistics | null>("seedfill.statistics"))),
    doctor: async () => show(await diagnose(await session.program())),
    restart: () => session.restart(),
    showLog: () => log.show(),
  };
  const register = ([name, run]: [string, () => unknown]): Disposable =>
    commands.registerCommand(`seedfill.${name}`, async () => {
      try {
        await run();
      } catch (error) {
        session.fail(error);
      }
    });
  return [reports, ...Object.entries(table).map(register)];
}

async function suggest(session: Session): Promise<void> {
  await session.start();
  await commands.executeCommand("editor.action.inlineSuggest.trigger");
}

async function pause(session: Session): Promise<void> {
  const minutes = await pickPause();
  if (minutes) await session.execute("seedfill.snoozeSuggestions", minutes);
  else if (minutes === 0) await session.execute("seedfill.enableSuggestions");
}
