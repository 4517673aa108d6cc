// The private environment: the server's wheel that comes with this extension, installed with the user's own Python.

import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type CancellationToken,
  commands,
  type ExtensionContext,
  type LogOutputChannel,
  type Progress,
  ProgressLocation,
  window,
} from "vscode";
import { NotWanted } from "./errors";
import { type Installation, noteFor } from "./installation";
import { installArguments, installOptions } from "./pip";
import { findPython } from "./python";
import { run } from "./run";
import { text } from "./settings";

/** The wheel beside this bundle; the build puts its name and its digest here. */
declare const WHEEL: { readonly file: string; readonly digest: string };

const QUESTION =
  "Seedfill needs its server, which is written in Python. May it be installed into a private folder? " +
  "With PyTorch it takes about 1 GB; with PyTorch for an NVIDIA GPU, several.";
const HOW_TO_INSTALL = "Run “Seedfill: Restart Server” to install it.";

export class Environment {
  readonly #log: LogOutputChannel;
  readonly #extension: string;
  readonly #storage: string;
  readonly #folder: string;

  constructor(context: ExtensionContext, log: LogOutputChannel) {
    this.#log = log;
    this.#extension = context.extensionPath;
    this.#storage = context.globalStorageUri.fsPath;
    this.#folder = join(this.#storage, `server-${WHEEL.digest.slice(0, 12)}`);
  }

  /** The server's program; installs it first where a person agrees, and throws why there is none. */
  async program(): Promise<string> {
    if (!existsSync(this.#complete)) await this.#askAndInstall();
    return this.#bin("seedfill");
  }

  /** Written last: an installation that was cut off has none. */
  get #complete(): string {
    return join(this.#folder, "complete");
  }

  #bin(name: string): string {
    return join(this.#folder, "bin", name);
  }

  async #askAndInstall(): Promise<void> {
    const answer = await window.showInformationMessage(QUESTION, "Install", "Use Another");
    if (answer === "Use Another") {
      await commands.executeCommand("workbench.action.openSettings", "seedfill.server.path");
    }
    if (answer !== "Install") throw new NotWanted(`The server is not installed. ${HOW_TO_INSTALL}`);

    const options = { location: ProgressLocation.Notification, title: "Seedfill", cancellable: true };
    await window.withProgress(options, async (progress, token) => {
      await this.#install(progress, token);
      if (token.isCancellationRequested) throw new NotWanted(`The installation was cancelled. ${HOW_TO_INSTALL}`);
    });
  }

  async #install(progress: Progress<{ message: string }>, token: CancellationToken): Promise<void> {
    const step = async (message: string, program: string, args: readonly string[]): Promise<void> => {
      progress.report({ message });
      this.#log.info([program, ...args].join(" "));
      const onLine = (line: string): void => {
        this.#log.info(line);
        if (/^(Collecting|Downloading|Installing)/.test(line)) progress.report({ message: line });
      };
      await run(program, args, { onLine, token });
    };

    const python = await findPython(text("server.python"));
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#storage, { recursive: true });
    const installation: Installation = { storage: this.#storage, program: this.#bin("seedfill") };
    await writeFile(noteFor(this.#extension), JSON.stringify(installation));
    await step("making a Python environment", python, ["-m", "venv", this.#folder]);
    const wheel = join(this.#extension, "out", WHEEL.file);
    await step("installing", this.#bin("python"), ["-m", "pip", ...installArguments(wheel, installOptions())]);
    if (token.isCancellationRequested) return;
    await writeFile(this.#complete, "");
    await this.#removeOlder();
  }

  async #removeOlder(): Promise<void> {
    for (const name of await readdir(this.#storage)) {
      const folder = join(this.#storage, name);
      if (name.startsWith("server-") && folder !== this.#folder) await rm(folder, { recursive: true, force: true });
    }
  }
}
