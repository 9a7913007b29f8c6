import { createServer } from "node:net";
import { MINIMAL, serve } from "./minimal-agent.ts";

/** Serves the minimal agent on the socket of the command line until it is killed. */
createServer((socket) => serve(socket, MINIMAL, () => process.exit())).listen(process.argv[2]);
