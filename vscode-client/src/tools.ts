// What the `seedfill` program says when it is asked: which models there are, and whether anything is wrong.

import { execFile } from "node:child_process";
import { promisify } from "node:util";

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

/** Standard output; throws the last line of standard error where the program fails. */
async function output(program: string, args: readonly string[]): Promise<string> {
  try {
    return (await promisify(execFile)(program, args, { timeout: 60_000 })).stdout;
  } catch (error) {
    const said = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1);
    throw new Error(said || `${program} ${args.join(" ")} failed: ${(error as Error).message}`);
  }
}
