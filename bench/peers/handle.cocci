// Accesses of xso.offload_handle, and those among them that may lie on the datapath.
//
// Coccinelle looks at one file at a time and knows the types of what is declared there. It can't
// follow a call into another file or through a function pointer, so what stands for "datapath" is
// the best that one function tells: it takes a packet.
//
// Usage: spatch --sp-file handle.cocci --very-quiet --no-includes --include-headers --dir TREE

@site@
struct xfrm_state *x;
struct xfrm_state s;
struct xfrm_dev_offload *o;
struct xfrm_dev_offload d;
expression e;
position p;
@@

(
  x->xso.offload_handle@p
|
  s.xso.offload_handle@p
|
  o->offload_handle@p
|
  d.offload_handle@p
|
  e->xso.offload_handle@p
|
  e.xso.offload_handle@p
|
  e->xso->offload_handle@p
|
  e.xso->offload_handle@p
)

@packet depends on site@
identifier f, skb;
position site.p;
position q;
expression e;
@@

f(..., struct sk_buff *skb, ...)
{
  <...
(
  e->offload_handle@p@q
|
  e.offload_handle@p@q
)
  ...>
}

@script:python@
p << site.p;
@@

for one in p:
    print(f"site\t{one.file}\t{one.line}")

@script:python@
q << packet.q;
@@

for one in q:
    print(f"datapath\t{one.file}\t{one.line}")
