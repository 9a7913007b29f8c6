import { describe, expect, it } from "vitest";
import { withHome } from "./home.ts";

const passwd = () => "root:x:0:0:root:/root:/bin/sh\nbroken\nann:x:1000:100:,,,:/home/ann:/bin/sh\n";

describe("HOME", () => {
  it("stays as the host gave it", () => {
    expect(withHome(["HOME=/x"], 0, passwd)).toEqual(["HOME=/x"]);
  });

  it("comes from the container's passwd, by user id", () => {
    expect(withHome(["A=1"], 1000, passwd)).toEqual(["A=1", "HOME=/home/ann"]);
  });

  it("is / for a user whom nobody knows, and without a passwd", () => {
    expect(withHome([], 7, passwd)).toEqual(["HOME=/"]);
    expect(withHome(["HOME="], 0, () => undefined)).toEqual(["HOME=/"]);
  });
});

it("of several entries with a name the last one counts, in the place of the first", () => {
  const given = ["A=1", "PATH=/x", "A=2", "odd", "PATH=", "odd", "HOME=", "=x", "HOME=/h", "B="];
  expect(withHome(given, 0, passwd)).toEqual(["A=2", "PATH=", "odd", "HOME=/h", "=x", "B="]);
  expect(withHome(["HOME=/h", "A=1", "HOME="], 0, passwd)).toEqual(["HOME=/root", "A=1"]);
});
