// The image's health check: succeeds when the server answers.
const response = await fetch(`http://127.0.0.1:${process.env.PORT}/`);
process.exitCode = response.ok ? 0 : 1;
