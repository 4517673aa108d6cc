// What the `seedfill` program says when it is asked: which models there are, and whether anything is wrong.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { ProgressLocation, window } from "vscode";

export interface Model {
  readonly id: string;
  readonly folder: string;
  readonly parameters: number;
  readonly languages: readonly string[];
  readonly loaded: boolean;
  readonly fits: boolean;
}

/** The models that are installed, the one that comes with Seedfill first. */
export async function listModels(program: string): Promise<readonly Model[]> {
  return (JSON.parse(await output(program, ["models", "list", "--json"])) as { models: Model[] }).models;
}

/** The doctor's report, for a person to read. */
export async function diagnose(program: string): Promise<string> {
  return output(program, ["doctor"]);
}

/** A machine that is busy takes its time to start a Python. */
const TIMEOUT_S = 180;

/** Standard output, with something to see while it is waited for; throws the last line of what a failure says. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const asked = `seedfill ${args.filter((arg) => !arg.startsWith("-")).join(" ")}`;
  try {
    const running = promisify(execFile)(program, args, { timeout: TIMEOUT_S * 1000 });
    const place = { location: ProgressLocation.Notification, title: `${asked} …` };
    return (await window.withProgress(place, () => running)).stdout;
  } catch (error) {
    const { stderr, killed, message } = error as Error & { stderr?: string; killed?: boolean };
    if (killed) throw new Error(`${asked} did not come to an end in ${TIMEOUT_S} s, so it was stopped.`);
    throw new Error(stderr?.trim().split("\n").at(-1) || `${asked} failed: ${message}`);
  }
}
