// One language server for this window, started, restarted and stopped in the order in which that was asked for.

import { commands, window } from "vscode";
import { ExecuteCommandRequest, type LanguageClient } from "vscode-languageclient/node";
import { announceSettings, createClient, type Surroundings } from "./client";
import { NotWanted } from "./errors";

export class Session {
  readonly #findProgram: () => Promise<string>;
  readonly #surroundings: Surroundings;
  #client: LanguageClient | undefined;
  #last: Promise<void> = Promise.resolve();
  #hasStarted = false;
  #offered: readonly string[] = [];

  /** `findProgram` gives the path of the server's program, or throws an error whose message is for a person. */
  constructor(findProgram: () => Promise<string>, surroundings: Surroundings) {
    this.#findProgram = findProgram;
    this.#surroundings = surroundings;
  }

  /** Whether a start was asked for, with whatever success: from then on only `restart` tries again. */
  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  /** The server's program; throws an error whose message is for a person. */
  program(): Promise<string> {
    return this.#findProgram();
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

  /** Have the server run one of its commands; undefined where there is no server. */
  async execute<T>(command: string, ...args: unknown[]): Promise<T | undefined> {
    await this.start();
    if (!this.#client?.isRunning()) return undefined;
    return (await this.#client.sendRequest(ExecuteCommandRequest.type, { command, arguments: args })) as T;
  }

  /** Show an error that is for a person, with what helps. */
  fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#surroundings.log.error(message);
    if (!(error instanceof NotWanted)) void this.#tell(message);
  }

  /** Run `work` after all that was asked for before; a failure is shown and ends nothing. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work).catch((error: unknown) => {
      this.#surroundings.status.report("error", error instanceof Error ? error.message : String(error));
      this.fail(error);
    });
    return this.#last;
  }

  async #startNow(): Promise<void> {
    this.#surroundings.status.report("loading", "The language server is starting.");
    const program = await this.#findProgram();
    this.#surroundings.log.info(`Starting ${program} lsp --stdio`);
    this.#client = createClient(program, this.#surroundings);
    await this.#client.start().catch((error: unknown) => this.#surroundings.log.error(String(error)));
    if (!this.#client.isRunning()) throw new Error(`${program} ended as soon as it was started: see the log.`);
    await this.#offer(this.#client.initializeResult?.capabilities.executeCommandProvider?.commands ?? []);
  }

  async #stopNow(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    await this.#offer([]);
    // A server that takes too long to leave is ended by the client; it must not keep the next one from starting.
    if (client?.isRunning()) await client.dispose().catch((error: unknown) => this.#surroundings.log.warn(String(error)));
  }

  /** The palette shows a command only while there is a server that can do it. */
  async #offer(names: readonly string[]): Promise<void> {
    const before = this.#offered;
    this.#offered = names;
    for (const name of new Set([...before, ...names])) {
      await commands.executeCommand("setContext", `seedfill.offers.${name.replace(/^seedfill\./, "")}`, names.includes(name));
    }
  }

  async #tell(message: string): Promise<void> {
    const answer = await window.showErrorMessage(`Seedfill: ${message}`, "Show Log", "Open Settings");
    if (answer === "Show Log") this.#surroundings.log.show();
    if (answer === "Open Settings") await commands.executeCommand("workbench.action.openSettings", "seedfill.server");
  }
}
