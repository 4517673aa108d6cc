// Lists to choose from.

import { type QuickPickItem, window } from "vscode";
import { text, useModel } from "./settings";
import { listModels, type Model } from "./tools";

const MINUTES = [5, 15, 60, 240];

/** Ask for how many minutes to pause; 0 ends a pause, undefined is no answer. */
export async function pickPause(): Promise<number | undefined> {
  const pauses = MINUTES.map((minutes) => ({ label: forHowLong(minutes), minutes }));
  const items = [...pauses, { label: "End the pause now", minutes: 0 }];
  return (await window.showQuickPick(items, { title: "Pause suggestions in this window" }))?.minutes;
}

/** Ask which of the installed models to use. */
export async function pickModel(program: string): Promise<void> {
  const models = await listModels(program);
  const items = models.map((model, i) => ({ ...described(model), folder: i === 0 ? null : model.folder }));
  const current = text("sampler.model") || null;
  for (const item of items) if (item.folder === current) item.label = `$(check) ${item.label}`;
  const picked = await window.showQuickPick(items, { title: "Model", matchOnDescription: true });
  if (picked) await useModel(picked.folder);
}

function described({ id, parameters, languages, loaded, fits }: Model): QuickPickItem {
  const size = `${(parameters / 1e6).toPrecision(2)} M parameters`;
  const state = fits ? (loaded ? "in memory" : "") : "needs more memory than is free";
  return { label: id, description: [size, languages.join(", "), state].filter(Boolean).join(" · ") };
}

function forHowLong(minutes: number): string {
  return minutes < 60 ? `${minutes} minutes` : minutes === 60 ? "1 hour" : `${minutes / 60} hours`;
}
