import { conformanceSuite } from "./testing/conformance-suite.ts";

conformanceSuite("ttrpc");
// What a protocol may change; test/nightly runs all groups.
conformanceSuite("grpc", "stdio,deadlines,errors");
