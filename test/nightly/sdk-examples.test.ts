import { describeExamples, NIGHTLY_OUTPUTS } from "../namespaces/testing/example-outputs.ts";

describeExamples(NIGHTLY_OUTPUTS);
