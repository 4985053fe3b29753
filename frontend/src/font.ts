// The font of mathematics: a part of the file like its texts, opened when it is first needed.
//
// A font that a script makes of bytes is fetched from nowhere, so that the page's policy need not
// allow any.

import { bytesOf } from "./data";

let asked = false;

export function useMathFont(): void {
  if (asked) return;
  asked = true;
  void bytesOf("math-font").then(
    async (bytes) => { document.fonts.add(await new FontFace("lrmtest math", bytes).load()); },
    // The system's fonts are used instead.
    () => undefined,
  );
}
