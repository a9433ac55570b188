package shots
import ("testing";"os";"strings";"lianmu/hub/web/webtest")
func TestShots(t *testing.T){
 b:=webtest.Start(t)
 base:=os.Getenv("BASE")
 for _,l:=range strings.Split(os.Getenv("PAGES"),"|"){ n,p,_:=strings.Cut(l,"="); b.Look(n,base+p)}
}
