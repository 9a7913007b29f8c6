import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take longest, the longest of each project first: begun last, one of them would go on alone. */
const LONG = [
  "rootfs-builder/outputs/make-output.test.ts",
  "rootfs-builder/recipe/recipe-tasks.test.ts",
  "host/setup/setup.test.ts",
  "release/package.test.ts",
  "test/namespaces/conformance.test.ts",
  "test/namespaces/scenarios.test.ts",
  "test/namespaces/guestctl-streams.test.ts",
  "test/namespaces/sudden-death.test.ts",
  "test/namespaces/copy-resume.test.ts",
  "test/namespaces/conformance-faults.test.ts",
  "test/namespaces/runtimes.test.ts",
  "test/attack/faults.test.ts",
  "test/differential/differential.test.ts",
  "test/vm/scenarios.test.ts",
  "test/vm/guestctl.test.ts",
  "test/vm/samples.test.ts",
  "test/vm/hosts.test.ts",
];

/** Of a fresh clone nothing is known of how long files take. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((path) => moduleId.endsWith(path));
      return at < 0 ? LONG.length : at;
    };
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}

/**
 * A project does not take these from the root. Polls end with the event: the limit is for what never comes. Many run a process
 * each time.
 */
const setupFiles = ["test/clean-up/guard-kill.ts", "test/clean-up/restore-globals.ts"];
/** Its hook runs after those of the files behind it. */
const unitFiles = ["test/clean-up/leave-nothing.ts", ...setupFiles];
const expect = { poll: { timeout: 50_000, interval: 100 } };

/** Unit tests that measure their process: memory, garbage collection, descriptors, the event loop. */
const MEASURING = ["agent/kernel/sys/**/*.test.ts", "{proto,agent/transport,test/transport}/**/*.test.ts"];

/**
 * `unit` and `isolated` need nothing built but proto. `init` and `guest` are real machines, with long limits: three guests at
 * a time, which takes two processors whole, and four of the others, which mostly wait. `npm test` leaves `nightly` out: what
 * repeats or searches long, and guests of a single device, port, output or option (`test/nightly/vm`). Files of
 * `unit`, `init` and `guest` share their worker's process and modules, which take longer to load than most files to run; what
 * they replace ends with them (restore-globals.ts). One of `unit` that leaves a timer or the like fails (leave-nothing.ts).
 */
export default defineConfig({
  test: {
    globalSetup: "test/clean-up/global-setup.ts",
    sequence: { sequencer: LongFirst },
    projects: [
      {
        test: {
          name: "unit",
          setupFiles: unitFiles,
          expect,
          sequence: { groupOrder: 0 },
          include: [
            "{agent,docs,lib,image,host,rootfs-builder,release}/**/*.test.ts",
            "test/{check,clean-up,conformance,docs,plans,bench,mutation,suite}/**/*.test.ts",
          ],
          exclude: MEASURING,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
          isolate: false,
        },
      },
      {
        test: {
          name: "isolated",
          setupFiles,
          expect,
          sequence: { groupOrder: 0 },
          include: MEASURING,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          maxWorkers: 3,
        },
      },
      {
        test: {
          name: "init",
          setupFiles,
          expect,
          sequence: { groupOrder: 1 },
          globalSetup: "test/testing/built-agent.ts",
          include: ["test/{init,namespaces,attack,fuzz,oci-runtime,differential}/**/*.test.ts"],
          exclude: ["test/attack/vm/**"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          maxWorkers: 4,
          isolate: false,
        },
      },
      {
        test: {
          name: "guest",
          setupFiles,
          expect,
          sequence: { groupOrder: 2 },
          include: ["test/vm/**/*.test.ts", "test/attack/vm/**/*.test.ts"],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          maxWorkers: 3,
          isolate: false,
        },
      },
      {
        test: {
          name: "nightly",
          setupFiles,
          expect,
          sequence: { groupOrder: 3 },
          globalSetup: "test/testing/built-agent.ts",
          include: ["test/nightly/**/*.test.ts"],
          testTimeout: 1_800_000,
          hookTimeout: 600_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
