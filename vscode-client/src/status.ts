// The status bar item: one glance says whether suggestions can be expected, one click says why not.

import { type Disposable, StatusBarAlignment, type StatusBarItem, ThemeColor, window } from "vscode";

export type Phase = "loading" | "ready" | "off" | "error";
type Shown = Phase | "thinking";

const ICONS: Record<Shown, string> = {
  loading: "$(loading~spin)",
  ready: "$(sparkle)",
  thinking: "$(sync~spin)",
  off: "$(circle-slash)",
  error: "$(error)",
};

const SENTENCES: Record<Shown, string> = {
  loading: "Seedfill is starting.",
  ready: "Seedfill suggests while you type.",
  thinking: "Seedfill is looking for a suggestion.",
  off: "Seedfill is off here: suggestions come only when you ask for one.",
  error: "Seedfill has failed.",
};

/** An answer that comes sooner changes nothing, so that the item does not flicker at each keystroke. */
const PATIENCE_MS = 250;

const MENU = { title: "Show Seedfill's commands", command: "workbench.action.quickOpen", arguments: [">Seedfill: "] };
const LOG = { title: "Show Seedfill's log", command: "seedfill.showLog" };

export class Status implements Disposable {
  readonly #item: StatusBarItem;
  #phase: Phase = "loading";
  #message = "";
  #areExpected = true;
  #nWaiting = 0;
  #isThinking = false;

  constructor() {
    this.#item = window.createStatusBarItem("seedfill.status", StatusBarAlignment.Right, 100);
    this.#item.name = "Seedfill";
  }

  /** What the server and its sampler do; `message` says more about it, in one sentence. */
  report(phase: Phase, message = ""): void {
    this.#phase = phase;
    this.#message = message;
    this.#render();
    this.#item.show();
  }

  /** What the item says when it is pointed at. */
  get sentence(): string {
    return this.#message || SENTENCES[this.#shown()];
  }

  /** Whether the settings want suggestions here, unasked; the server may have further reasons to be off. */
  set areExpected(value: boolean) {
    this.#areExpected = value;
    this.#render();
  }

  /** Show that something is being worked on for as long as `work` takes. */
  async during<T>(work: PromiseLike<T>): Promise<T> {
    this.#nWaiting += 1;
    const timer = setTimeout(() => this.#setThinking(this.#nWaiting > 0), PATIENCE_MS);
    try {
      return await work;
    } finally {
      clearTimeout(timer);
      this.#nWaiting -= 1;
      if (this.#nWaiting === 0) this.#setThinking(false);
    }
  }

  dispose(): void {
    this.#item.dispose();
  }

  #setThinking(value: boolean): void {
    this.#isThinking = value;
    this.#render();
  }

  #render(): void {
    const shown = this.#shown();
    const percent = shown === "loading" ? this.#message.match(/\d+\s?%/)?.[0] : undefined;
    this.#item.text = [ICONS[shown], "Seedfill", percent].filter(Boolean).join(" ");
    this.#item.tooltip = this.sentence;
    this.#item.accessibilityInformation = { label: `Seedfill: ${shown}` };
    this.#item.backgroundColor = shown === "error" ? new ThemeColor("statusBarItem.errorBackground") : undefined;
    this.#item.command = shown === "error" ? LOG : MENU;
  }

  #shown(): Shown {
    if (this.#phase === "error") return "error";
    if (!this.#areExpected) return "off";
    return this.#phase === "ready" && this.#isThinking ? "thinking" : this.#phase;
  }
}
