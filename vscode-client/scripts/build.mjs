// Makes out/: the server's wheel, and the extension as two files that need no node_modules.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const client = fileURLToPath(new URL("..", import.meta.url));
const out = `${client}out`;

rmSync(out, { recursive: true, force: true });
mkdirSync(out);
const wheel = buildWheel();
await bundle(wheel);
for (const file of ["LICENSE", "NOTICE"]) cpSync(`${client}../${file}`, `${client}${file}`);

/** The wheel of the repository around this folder: its file's name, and a digest that tells one build from another. */
function buildWheel() {
  const python = process.env.PYTHON ?? "python3";
  const pip = ["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", out, ".."];
  execFileSync(python, pip, { cwd: client, stdio: "inherit" });
  const file = readdirSync(out).find((name) => name.endsWith(".whl"));
  const digest = createHash("sha256").update(readFileSync(`${out}/${file}`)).digest("hex");
  return { file, digest };
}

async function bundle(wheel) {
  await build({
    absWorkingDir: client,
    entryPoints: ["src/extension.ts", "src/uninstall.ts"],
    outdir: out,
    bundle: true,
    minify: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["vscode"],
    mainFields: ["module", "main"],
    define: { WHEEL: JSON.stringify(wheel) },
    logLevel: "warning",
  });
}
