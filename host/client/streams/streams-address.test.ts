import { expect, test } from "vitest";
import { streamsAddress } from "./streams-address.ts";

test.each([
  ["unix:///run/guestd.sock", "unix:///run/guestd.sock_1028"],
  ["unix://@guestd", "unix://@guestd_1028"],
  ["vsock://3:1024", "vsock://3:1028"],
  ["hvsock:///tmp/vm.sock:1024", "hvsock:///tmp/vm.sock:1028"],
])("the streams of %s are at %s", (api, streams) => expect(streamsAddress(api)).toBe(streams));
