// Run by VS Code, outside of it, once the extension is gone for good: nothing of the server stays behind.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Installation, noteFor } from "./installation";

const note = noteFor(join(__dirname, ".."));
if (existsSync(note)) {
  const { storage, program } = JSON.parse(readFileSync(note, "utf8")) as Installation;
  spawnSync(program, ["stop"], { timeout: 30_000 }); // the resident sampler may still run from there
  rmSync(storage, { recursive: true, force: true });
}
