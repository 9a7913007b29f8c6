import { readFileSync, writeFileSync } from "node:fs";
import { targets } from "../targets/all.ts";
import type { Job, Outcome } from "./job.ts";
import { search } from "./search.ts";

/** Runs one search in its own process, which run-search.ts starts. The first argument is a JSON file with the job. */
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
