import { floodSuite } from "../attack/flood/flood-suite.ts";

// With 60 connections at once, some 9,000 over HTTP/2 still fill the heap of the agent, which init replaces.
floodSuite(3000);
