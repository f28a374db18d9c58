// Sends one trace of two spans by OpenTelemetry's own exporter; prints its id.
// usage: node send.mjs ENDPOINT KEY PROJECT [proto|json]     (exits with 1 on failure)
import { createRequire } from "node:module";
import { join } from "node:path";

// The packages are installed outside the checkout; OTEL_JS names the folder.
const require = createRequire(join(process.env.OTEL_JS ?? import.meta.dirname, "package.json"));
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");

const [endpoint, key, project, format = "proto"] = process.argv.slice(2);
const kind = { proto: "proto", json: "http" }[format];
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);
const exporter = new OTLPTraceExporter({
  url: `${endpoint}/v1/traces`,
  headers: { authorization: `Bearer ${key}` },
});

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "openinference.project.name": project }),
  spanProcessors: [new SimpleSpanProcessor(exporter)],
});
provider.register(); // Without it no span has a parent.
const tracer = provider.getTracer("otel-js");
const traceId = tracer.startActiveSpan("hello from JavaScript", (root) => {
  root.setAttribute("openinference.span.kind", "CHAIN");
  tracer.startActiveSpan("inside", (span) => span.end());
  root.end();
  return root.spanContext().traceId;
});
await provider.forceFlush(); // Rejects, and so ends this program, when a span was not taken.
await provider.shutdown();
console.log(traceId);
