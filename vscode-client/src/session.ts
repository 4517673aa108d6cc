// One language server for this window, started, restarted and stopped in the order in which that was asked for.

import { commands, type LogOutputChannel, window } from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import { announceSettings, createClient } from "./client";
import { NotWanted } from "./errors";
import type { Status } from "./status";

export class Session {
  readonly #findProgram: () => Promise<string>;
  readonly #log: LogOutputChannel;
  readonly #status: Status;
  #client: LanguageClient | undefined;
  #last: Promise<void> = Promise.resolve();
  #hasStarted = false;

  /** `findProgram` gives the path of the server's program, or throws an error whose message is for a person. */
  constructor(findProgram: () => Promise<string>, log: LogOutputChannel, status: Status) {
    this.#findProgram = findProgram;
    this.#log = log;
    this.#status = status;
  }

  /** Whether a start was asked for, with whatever success: from then on only `restart` tries again. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** Start the server, unless that was done before. */
  start(): Promise<void> {
    return this.#hasStarted ? this.#last : this.restart();
  }

  /** Stop the server if it runs, and start it, as the settings say now. */
  restart(): Promise<void> {
    this.#hasStarted = true;
    return this.#inTurn(async () => {
      await this.#stopNow();
      await this.#startNow();
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(() => this.#stopNow());
  }

  /** Tell the server, if it runs, that settings have changed. */
  async announceSettings(): Promise<void> {
    if (this.#client?.isRunning()) await announceSettings(this.#client);
  }

  /** Run `work` after all that was asked for before; a failure is shown and ends nothing. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error: unknown) => this.#fail(error));
    return this.#last;
  }

  async #startNow(): Promise<void> {
    this.#status.report("loading", "The language server is starting.");
    const program = await this.#findProgram();
    this.#log.info(`Starting ${program} lsp --stdio`);
    this.#client = createClient(program, this.#log, this.#status);
    await this.#client.start();
    if (!this.#client.isRunning()) throw new Error(`${program} ended as soon as it was started: see the log.`);
  }

  async #stopNow(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    if (client?.isRunning()) await client.dispose();
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#log.error(message);
    this.#status.report("error", message);
    if (!(error instanceof NotWanted)) void this.#tell(message);
  }

  async #tell(message: string): Promise<void> {
    const answer = await window.showErrorMessage(`Seedfill: ${message}`, "Show Log", "Open Settings");
    if (answer === "Show Log") this.#log.show();
    if (answer === "Open Settings") await commands.executeCommand("workbench.action.openSettings", "seedfill.server");
  }
}
