// What pip is told: which wheel, and where from.

import { existsSync } from "node:fs";
import { workspace } from "vscode";
import { expandHome } from "./program";
import { text } from "./settings";

const CPU_TORCH = "https://download.pytorch.org/whl/cpu";

export interface InstallOptions {
  readonly indexUrl: string;
  readonly torchIndexUrl: string;
  readonly wheelFolder: string;
  readonly proxy: string;
  /** PyTorch's ordinary build for Linux brings gigabytes that only an NVIDIA GPU has a use for. */
  readonly needsCpuBuild: boolean;
}

/** The options that the settings and this machine give. */
export function installOptions(): InstallOptions {
  return {
    indexUrl: text("install.indexUrl"),
    torchIndexUrl: text("install.torchIndexUrl"),
    wheelFolder: expandHome(text("install.wheelFolder")),
    proxy: workspace.getConfiguration("http").get("proxy", ""),
    needsCpuBuild: process.platform === "linux" && !existsSync("/proc/driver/nvidia"),
  };
}

/** The arguments of pip for installing `wheel` and what it depends on. */
export function installArguments(wheel: string, options: InstallOptions): string[] {
  const base = ["install", "--disable-pip-version-check", "--no-input", "--progress-bar=off"];
  return [...base, ...sources(options), wheel];
}

function sources({ indexUrl, torchIndexUrl, wheelFolder, proxy, needsCpuBuild }: InstallOptions): string[] {
  if (wheelFolder) return ["--no-index", "--find-links", wheelFolder];
  const torch = torchIndexUrl || (needsCpuBuild && !indexUrl ? CPU_TORCH : "");
  return [
    ...(indexUrl ? ["--index-url", indexUrl] : []),
    ...(torch ? ["--extra-index-url", torch] : []),
    ...(proxy ? ["--proxy", proxy] : []),
  ];
}
