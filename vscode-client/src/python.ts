// A Python that can make the private environment.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expandHome } from "./program";

const CANDIDATES = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
const PROBE = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
const NEED = "Python 3.11 or newer with its venv module (on Debian and Ubuntu: the package python3-venv)";

/** The Python to use: `configured`, or the first that serves; throws a sentence where there is none. */
export async function findPython(configured: string): Promise<string> {
  const candidates = configured ? [expandHome(configured)] : CANDIDATES;
  for (const candidate of candidates) {
    if (await serves(candidate)) return candidate;
  }
  throw new Error(
    configured
      ? `${configured}, the setting seedfill.server.python, is not ${NEED}.`
      : `No ${NEED} was found. Install one, or name it in the setting seedfill.server.python.`,
  );
}

async function serves(python: string): Promise<boolean> {
  try {
    await promisify(execFile)(python, ["-I", "-c", PROBE]);
    return true;
  } catch {
    return false;
  }
}
