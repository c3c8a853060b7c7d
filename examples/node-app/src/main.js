import { server } from "./server.js";

const app = server().listen(Number(process.env.PORT), process.env.HOST, () => {
  const { address, port } = app.address();
  console.log(`listening on http://${address}:${port}`);
});
process.once("SIGTERM", () => app.close());
