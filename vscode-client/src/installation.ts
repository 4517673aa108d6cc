// What the extension installed, noted beside it: whoever removes it runs outside of VS Code, which alone knows the place.

import { join } from "node:path";

export interface Installation {
  /** The folder that holds all environments. */
  readonly storage: string;
  /** The `seedfill` of the newest. */
  readonly program: string;
}

/** The file in the extension's folder that the installation is noted in. */
export function noteFor(extension: string): string {
  return join(extension, "out", "installation.json");
}
