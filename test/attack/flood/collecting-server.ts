import { serve } from "../../transport/testing/serve.ts";

/** Serves FakeTable, prints its socket, and collects garbage all the time: Node checks a connection's HTTP/2 when it is collected. */
const { path } = await serve();
const { gc } = globalThis;
if (gc === undefined) throw new Error("start it with --expose-gc");
setInterval(() => void gc(), 50);
process.stdout.write(path);
