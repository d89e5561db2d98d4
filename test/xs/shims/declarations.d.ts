declare module "ringlet-real:fast-check" {
	import fc from "fast-check";
	export default fc;
}
