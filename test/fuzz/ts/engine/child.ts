import { readFileSync, writeFileSync } from "node:fs";
import { targets } from "../targets/all.ts";
import type { Job, Outcome } from "./job.ts";
import { search } from "./search.ts";

/** One search in a process of its own, as run-search.ts starts it: the first argument is a file with the job as JSON. */
async function main(): Promise<void> {
  const job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as Job;
  const target = targets.find(({ name }) => name === job.target);
  if (target === undefined) throw new Error(`no target ${job.target}`);
  const kept = job.kept.map((input) => Buffer.from(input, "base64"));
  const finish = (outcome: Outcome) => {
    writeFileSync(job.outcome, JSON.stringify(outcome));
    process.exit(0);
  };
  const { outcome, corpus } = await search(target, { ...job, kept, finish });
  finish({ ...outcome, corpus: corpus.map((bytes) => bytes.toString("base64")) });
}

void main();
