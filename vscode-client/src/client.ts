// The language client: which documents the server sees, which settings it gets, and what becomes of its news.

import { CancellationTokenSource, type LogOutputChannel } from "vscode";
import {
  type ClientCapabilities,
  CloseAction,
  DidChangeConfigurationNotification,
  type ErrorHandler,
  LanguageClient,
  RevealOutputChannelOn,
  State,
  type StaticFeature,
  TransportKind,
} from "vscode-languageclient/node";
import { applyInParts } from "./applying";
import type { Hunks } from "./hunks";
import { showPreviews } from "./preview";
import { serverSettings } from "./settings";
import type { Phase, Status } from "./status";

/** All languages: a suggestion can be asked for anywhere. The server leaves files alone that hold secrets. */
const DOCUMENTS = ["file", "untitled", "vscode-notebook-cell"].map((scheme) => ({ scheme }));

const NEWS: Record<State, [Phase, string]> = {
  [State.Starting]: ["loading", "The language server is starting."],
  [State.Running]: ["ready", ""],
  [State.Stopped]: ["error", "The language server has stopped. Run “Seedfill: Restart Server”, or see the log."],
  [State.StartFailed]: ["error", "The language server could not start. The log says why."],
};

interface ServerNews {
  state: Phase;
  message: string;
}

const NOT_CANCELLED = new CancellationTokenSource().token;

/** Where a client shows what it hears. */
export interface Surroundings {
  readonly log: LogOutputChannel;
  readonly status: Status;
  readonly hunks: Hunks;
}

/** Tells the server that edits can be drawn while they are written. */
const TAKES_PREVIEWS: StaticFeature = {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    capabilities.experimental = { ...capabilities.experimental, seedfillPreview: true };
  },
  initialize: () => undefined,
  getState: () => ({ kind: "static" }),
  clear: () => undefined,
};

/** Its troubles go to the log: what a person needs to know of them is said in plain words, once. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** A client, not started yet, of the server that `program` is. */
export function createClient(program: string, { log, status, hunks }: Surroundings): LanguageClient {
  const server = { command: program, args: ["lsp"], transport: TransportKind.stdio };
  const client: LanguageClient = new QuietClient("seedfill", "Seedfill", server, {
    documentSelector: DOCUMENTS,
    outputChannel: log,
    revealOutputChannelOn: RevealOutputChannelOn.Never,
    initializationOptions: () => serverSettings(),
    initializationFailedHandler: () => false,
    errorHandler: restartWhatRan(() => client),
    stdioOptions: {
      stdout: () => undefined,
      stderr: (stream) => stream.on("data", (data) => log.append(String(data))),
    },
    middleware: {
      workspace: {
        configuration: ({ items }) => items.map(({ scopeUri }) => serverSettings(scopeUri)),
        handleApplyEdit: (params, next) => applyInParts(params, async () => next(params, NOT_CANCELLED), hunks),
      },
      provideInlineCompletionItems: (document, position, context, token, next) =>
        status.during(Promise.resolve(next(document, position, context, token))),
    },
  });
  client.registerFeature(TAKES_PREVIEWS);
  showPreviews(client);
  client.onNotification("seedfill/status", ({ state, message }: ServerNews) => status.report(state, message));
  client.onDidChangeState(({ newState }) => status.report(...NEWS[newState]));
  return client;
}

/** Have the server ask for its settings again. */
export async function announceSettings(client: LanguageClient): Promise<void> {
  await client.sendNotification(DidChangeConfigurationNotification.type, { settings: null });
}

/** The usual handling, but a server that ends before it has run is not started again: it would end again. */
function restartWhatRan(client: () => LanguageClient): ErrorHandler {
  let made: ErrorHandler | undefined;
  const usual = (): ErrorHandler => (made ??= client().createDefaultErrorHandler());
  return {
    error: (error, message, count) => usual().error(error, message, count),
    closed: () =>
      client().isRunning() ? usual().closed() : { action: CloseAction.DoNotRestart, handled: true },
  };
}
