// Which `seedfill` to run: the one that the settings name, or the one in the private environment.

import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { text } from "./settings";

/** The program that `seedfill.server.path` names, undefined where it is empty; throws what is wrong with it. */
export async function programFromSettings(): Promise<string | undefined> {
  const path = expandHome(text("server.path"));
  if (path === "") return undefined;
  if (!isAbsolute(path) || !(await isProgram(path))) {
    throw new Error(`${path} is no program that can be run: correct the setting seedfill.server.path, or empty it.`);
  }
  return path;
}

/** `path` with the user's folder for a leading `~/`. */
export function expandHome(path: string): string {
  return path.startsWith("~/") ? join(homedir(), path.slice(2)) : path;
}

export async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
