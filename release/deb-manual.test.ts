import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { SHELL_SCRIPTS } from "../host/cli/completion/shell-scripts.ts";
import { debCompletions, debManualPage, isManualPage } from "./deb-manual.ts";
import { manualPages } from "./manual-pages.ts";

test("the .deb has each manual page compressed, and the same bytes when it is built twice", async () => {
  const pages = (await manualPages("1.2.3")).map(debManualPage);
  expect(pages.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["usr/share/man/man1/guestctl.1.gz", "usr/share/man/man1/guestctl-cores-get.1.gz"]),
  );
  const texts = pages.map(({ content }) => execFileSync("gzip", ["-dc"], { input: content, encoding: "utf8" }));
  expect(texts.filter((text) => !/^\.TH GUESTCTL\S* 1 "" "guestctl 1.2.3"/.test(text))).toEqual([]);
  // Bytes 4 to 7 of a gzip file are its time (RFC 1952).
  expect(pages.filter(({ content }) => content.readUInt32LE(4) !== 0)).toEqual([]);
  expect(pages).toEqual((await manualPages("1.2.3")).map(debManualPage));
});

test("only files of the folder man are manual pages", () => {
  const paths = ["man/guestctl.1", "manifest.json", "dist/man/a.js"];
  expect(paths.filter((path) => isManualPage({ path, content: Buffer.alloc(0) }))).toEqual(["man/guestctl.1"]);
});

test("the .deb has the completion of bash, zsh and fish that guestctl completion prints", () => {
  const files = debCompletions().map(({ path, content }) => [path, content.toString()]);
  expect(Object.fromEntries(files)).toEqual({
    "usr/share/bash-completion/completions/guestctl": SHELL_SCRIPTS.bash,
    "usr/share/zsh/vendor-completions/_guestctl": SHELL_SCRIPTS.zsh,
    "usr/share/fish/vendor_completions.d/guestctl.fish": SHELL_SCRIPTS.fish,
  });
});
