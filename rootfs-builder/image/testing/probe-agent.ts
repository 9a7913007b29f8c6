// Replaces the agent in a guest and prints to the console how the image is mounted, what reading it costs, and how V8 runs code.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { cachedDataVersionTag, setFlagsFromString } from "node:v8";

const CHUNK = 1 << 20;

const root = readFileSync("/proc/mounts", "utf8")
  .split("\n")
  .find((line) => line.includes(" / erofs "));
const faults = process.resourceUsage().minorPageFault;
const before = cachedKib();
let bytes = 0;
const buffer = Buffer.alloc(CHUNK);
const file = openSync("/usr/bin/node", "r");
for (let got = readSync(file, buffer); got > 0; got = readSync(file, buffer)) bytes += got;
closeSync(file);
const after = cachedKib();
const flags = cachedDataVersionTag();
setFlagsFromString("--sparkplug --maglev --opt");
const compiles = cachedDataVersionTag() === flags;
process.stdout.write(`probe ${JSON.stringify({ root, faults, bytes, before, after, compiles })}\n`);
setInterval(() => {}, 1 << 30);

function cachedKib(): number {
  return Number(/^Cached:\s+(\d+)/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]);
}
