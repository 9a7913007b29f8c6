import { streamsSuite } from "../namespaces/testing/streams-suite.ts";

streamsSuite(2000, 100);
streamsSuite(200, 10, "gRPC");
