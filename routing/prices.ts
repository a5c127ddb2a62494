/**
 * What does a model cost, and who says so?
 *
 * The provider object, else the shipped list by type, model and deployment type, else nobody: then it is unpriced, which
 * is never free. The list is asked where a price is used and does not stand in the table, so that a route under `*`, whose
 * models no object names, has prices too.
 */
import { PRICE_LIST } from "./price-list.generated.ts";
import type { Model, Price, Provider } from "./table.ts";
import { type Zone, zoneOfRegion } from "./zones.ts";

export interface FoundPrice {
  readonly price: Price;
  readonly source: "Object" | "List";
  /** Of the list: the day it was collected, YYYY-MM-DD. */
  readonly date?: string;
}

/** `modelName` is the gateway's name of the model. */
export function findPrice(provider: Provider, model: Model, modelName: string): FoundPrice | undefined {
  if (model.price !== undefined) return { price: model.price, source: "Object" };
  const named = provider.type === "OpenAI" ? model.upstream : modelName;
  const name = model.baseModel ?? named;
  const price = provider.type === "OpenAI" ? listed(name) : onAzure(name, model.deploymentType, provider.region);
  return price && { price, source: "List", date: PRICE_LIST.date };
}

function listed(name: string): Price | undefined {
  return Object.hasOwn(PRICE_LIST.prices, name) ? PRICE_LIST.prices[name] : undefined;
}

/** How litellm's names begin, by where the deployment may process. */
const AREAS = ["azure/eu/", "azure/us/", "azure/us-gov/", "azure/apac/"] as const;
type Area = (typeof AREAS)[number];
const GLOBAL = ["azure/global/", "azure/global-standard/", "azure/"] as const;

/**
 * A model with prices by area has the price of its own area and no other; one without has the same price everywhere.
 * Provisioned capacity is paid by the hour and batches are another price, so neither is in the list.
 */
function onAzure(name: string, deploymentType: string | undefined, region: string | undefined): Price | undefined {
  switch (deploymentType) {
    case "GlobalStandard":
      return GLOBAL.map((prefix) => listed(prefix + name)).find((price) => price !== undefined);
    case "DataZoneStandard":
    case "Standard":
      return inArea(name, areaOf(region));
    case undefined:
      return inArea(name, undefined);
    default:
      return undefined;
  }
}

function inArea(name: string, area: Area | undefined): Price | undefined {
  const price = area && listed(area + name);
  if (price !== undefined) return price;
  const differs = AREAS.some((one) => listed(one + name) !== undefined);
  return differs ? undefined : listed(`azure/${name}`);
}

const AREA_OF: Readonly<Record<Zone, Area>> = {
  APAC: "azure/apac/",
  EU: "azure/eu/",
  US: "azure/us/",
  USGov: "azure/us-gov/",
};

function areaOf(region: string | undefined): Area | undefined {
  const zone = region === undefined ? undefined : zoneOfRegion(region);
  return zone && AREA_OF[zone];
}
