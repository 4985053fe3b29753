// Builds the report's page into the Python package: node build.mjs [FOLDER]
//
// The result depends on the sources and the lockfile alone, byte for byte. Beside script and style
// it writes the licences of what they contain, and the hash of the sources that they were built
// from, by which a test sees that the package is up to date.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = process.argv[2] ?? join(here, "../lrmtest/reports/html/assets");

function sources() {
  const own = readdirSync(join(here, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(here.length + 1));
  return [...own, "build.mjs", "package-lock.json"].map((name) => name.replaceAll("\\", "/")).sort();
}

function sourcesHash() {
  const hash = createHash("sha256");
  for (const name of sources()) {
    hash.update(`${name}\n`).update(readFileSync(join(here, name))).update("\n");
  }
  return hash.digest("hex");
}

function packageOf(path) {
  const [, name] = /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path) ?? [];
  return name;
}

function licences(inputs) {
  const names = new Set(Object.keys(inputs).map(packageOf).filter(Boolean));
  const parts = [...names].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${name} has no licence file`);
    const text = readFileSync(join(folder, file), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return `What report.js contains beside lrmtest's own code:\n\n${parts.join(`\n${"-".repeat(72)}\n\n`)}`;
}

const common = {
  absWorkingDir: here,
  bundle: true,
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  minify: true,
  target: ["chrome123", "firefox120", "safari17.5"],
  write: false,
};
const script = await build({ ...common, entryPoints: ["src/main.ts"], format: "iife" });
const style = await build({ ...common, entryPoints: ["src/report.css"] });

mkdirSync(target, { recursive: true });
// esbuild leaves regular expressions as they are; \u means the same in them.
const escaped = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
const ascii = script.outputFiles[0].text.replace(/[^\0-\x7f]/g, escaped);
writeFileSync(join(target, "report.js"), ascii);
writeFileSync(join(target, "report.css"), style.outputFiles[0].contents);
writeFileSync(join(target, "LICENSES.txt"), licences(script.metafile.inputs));
writeFileSync(join(target, "sources.sha256"), `${sourcesHash()}\n`);
