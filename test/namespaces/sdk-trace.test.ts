import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startOtlpReceiver } from "../testing/otlp-receiver.ts";
import { sdkTraceTests } from "./testing/sdk-trace-suite.ts";

describeInNamespaces("a program with the SDK whose environment names a collector", () => {
  sdkTraceTests(startOtlpReceiver);
});
