import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take longest, the longest first: begun last, one of them would go on alone. */
const LONG = [
  "test/guest/scenarios.test.ts",
  "test/guest/runtimes.test.ts",
  "test/guest/grpc-scenarios.test.ts",
  "test/guest/samples.test.ts",
  "test/guest/hosts.test.ts",
  "test/agent/runtimes.test.ts",
  "test/agent/scenarios.test.ts",
  "test/oci-runtime/validation.test.ts",
];

/** Of a fresh clone nothing is known of how long files take. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex((path) => moduleId.endsWith(path));
      return at < 0 ? LONG.length : at;
    };
    return sorted.toSorted((a, b) => place(a) - place(b));
  }
}
