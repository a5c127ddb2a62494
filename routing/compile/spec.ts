/**
 * What are the parts of the objects' specs called?
 *
 * The types are generated from the CRDs, with defaults filled in; these are their parts by name.
 */
import type { AIClientSpec, AIProviderSpec, AIRouteSpec } from "../objects.generated.ts";

export type ProviderSpec = AIProviderSpec;
export type RouteSpec = AIRouteSpec;
export type ClientSpec = AIClientSpec;

export type ModelSpec = NonNullable<ProviderSpec["models"]>[number];
export type BackendSpec = RouteSpec["backends"][number];
export type StickyPlaceSpec = NonNullable<RouteSpec["sticky"]>["by"][number];

export type LatencySpec = NonNullable<RouteSpec["latency"]>;
export type ComplianceSpec = NonNullable<RouteSpec["compliance"]>;

export interface SecretKeyRef {
  readonly name: string;
  readonly key: string;
}
