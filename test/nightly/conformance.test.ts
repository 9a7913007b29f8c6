import { conformanceSuite } from "../namespaces/testing/conformance-suite.ts";

conformanceSuite("grpc");
