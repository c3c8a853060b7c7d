import type { Instance } from "ink";
import type { ReactElement } from "react";
import type { OutputStream } from "../io.ts";
import { loadInk } from "./ink-runtime.ts";

/** Painted lines: those above the frame, for good, and the frame. */
export interface FrameText {
  readonly retired: readonly string[];
  readonly lines: readonly string[];
}

/** A frame on the terminal, drawn over again and again. */
export interface FramePainter {
  draw(text: FrameText): void;
  /** Takes the frame off the screen and gives the cursor back; what was retired stays. */
  close(): Promise<void>;
}

/** Starts ink on a stream. `debug` writes every frame whole, for tests. */
export async function startInk(stream: OutputStream, options: { debug: boolean }): Promise<FramePainter> {
  const { ink, react } = await loadInk();
  const { createElement: h, Fragment } = react;
  const { Box, Static, Text } = ink;

  const textLine = (line: string, index: number): ReactElement =>
    // A line without text would take no row.
    h(Text, { key: index, wrap: "truncate" }, line === "" ? " " : line);

  const view = (text: FrameText): ReactElement =>
    h(
      Fragment,
      null,
      h(Static<string>, { items: [...text.retired], children: textLine }),
      h(Box, { flexDirection: "column" }, ...text.lines.map(textLine)),
    );

  let instance: Instance | undefined;
  let last: FrameText = { retired: [], lines: [] };
  return {
    draw(text) {
      last = text;
      if (instance === undefined) {
        instance = ink.render(view(text), {
          stdout: stream,
          debug: options.debug,
          exitOnCtrlC: false,
          patchConsole: false,
          interactive: true,
        });
      } else {
        instance.rerender(view(text));
      }
    },
    async close() {
      if (instance === undefined) return;
      instance.rerender(view({ retired: last.retired, lines: [] }));
      await instance.waitUntilRenderFlush();
      instance.clear();
      instance.unmount();
      await instance.waitUntilExit();
    },
  };
}
