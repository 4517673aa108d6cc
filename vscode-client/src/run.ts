// Run a program to its end, its output line by line.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { CancellationToken } from "vscode";

export interface Following {
  readonly onLine: (line: string) => void;
  readonly token: CancellationToken;
}

/** Resolves when the program is done or was cancelled; rejects with the last thing that a failing program said. */
export function run(program: string, args: readonly string[], { onLine, token }: Following): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    const cancelling = token.onCancellationRequested(() => child.kill());
    let last = "";
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        if (line.trim()) last = line.trim();
        onLine(line);
      });
    }
    child.on("error", reject);
    child.on("close", (code) => {
      cancelling.dispose();
      if (code === 0 || token.isCancellationRequested) resolve();
      else reject(new Error(`Installing the server failed: ${last || `${program} ended with code ${code}`}`));
    });
  });
}
