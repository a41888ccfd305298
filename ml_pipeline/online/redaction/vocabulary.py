"""Words that anybody says: where one of them stands, a name or an address has ended."""

from ml_pipeline.online.redaction.said import words

_ENGLISH = """
a about above actually after again against ago agree ahead ain't all almost already alright also although always am
amazing an and another answer any anybody anymore anyone anything anyway are aren't around as ask asked asking at
available away awesome back bad be because been before being believe best better between big both bought but buy
buying by bye call called calling came can can't cannot care case certain certainly chance change charge charged check
clear come comes coming correct cost could couldn't course cut day days dear decide definitely did didn't different do
does doesn't doing don't done down during each early easy either else email end enough especially even ever every
everyone everything exactly excuse expensive explain fact far fast feel few find fine first five follow for forget
free from full further gave get gets getting give given gives giving glad go goes going gonna good got gotta great
guess guys had half happen happy hard has hasn't have haven't having he he'd he'll he's hear heard hello help her here
here's hers hey hi him himself his hold home honestly hope hour hours how how's however hundred i i'd i'll i'm i've if
im important in information inside instead interested into is isn't it it'd it'll it's its itself just keep kind knew
know knows last late later learn least leave left less let let's like likely listen little live living ll long longer
look looking lot lots love made make makes making many match matter may maybe me mean means meet mentioned message
mind mine minute minutes moment money month months more morning most much must my myself name name's near need needed
needs never new next nice night no nobody none nope nor not nothing now number of off offer often oh ok okay old on
once one ones only open or order other our out over own part pay payment people per perfect perhaps person phone place
plan plans please point possible pretty price probably problem program put question questions quick quickly quite
rather re read ready real really reason remember repeat right said same save say saying says second see seem seems
seen send sent service set several share she she's should shouldn't show since sir slow so some somebody someone
something sometimes soon sorry sound sounds speak speaking spell spelled spelling start started still stop stuff such
sure take taken talk talking tell than thank thanks that that'd that'll that's thats the their them then there there's
these they they'd they'll they're they've thing things think this those though thought thousand through time times to
today together told tomorrow tonight too total totally tried trouble true try trying twice two type uh um under
understand until up us use used using usually ve very wait want wanted wants was wasn't way we we'd we'll we're we've
week weeks welcome well went were weren't what what's whatever when where where's whether which while who who's whole
whose why will with within without won't wonder wondering word work working works worry would wouldn't write wrong
yeah year years yep yes yesterday yet you you'd you'll you're you've your yours yourself currently reach reached
contact reaching updated address account card registered listed belongs husband wife son daughter brother sister
mother father friend team company business customer customers client website online store worked user male female
retired student single married confused curious worried tired busy afraid aware able excited skeptical anxious
frustrated doctor nurse teacher engineer lawyer manager owner diabetic vegan vegetarian american mexican spanish
hispanic english canadian texan interesting terrible ridiculous crazy weird kinda sorta wow gosh god ma'am mister miss
man dude buddy folks hmm mm mhm huh ugh ah er january february march april june july august september october november
december monday tuesday wednesday thursday friday saturday sunday three four six seven eight nine ten zero double dash
dot underscore hyphen apartment unit street avenue road city state country zip code house building floor letter
letters capital lowercase uppercase slash space
comparing prices pricing budget quote quotes estimate invoice receipt contract contracts lease warranty discount
upgrade renewal trial demo subscription support install installation installed delivery shipping order orders item
items package product products model version software laptop tablet screen printer phone phones internet wifi signal
speed cable router camera alarm security system systems app apps website site page link login password code codes
number numbers bill bills credit debit bank loan rate rates interest fee fees tax taxes insurance policy claim
coverage deductible premium doctor appointment clinic hospital medicine pain surgery dentist school class classes
course lesson teacher student students church office building shop stores market garage kitchen bathroom bedroom
roof window windows door doors floor yard pool fence tree trees garden car cars truck van tires engine oil gas trip
flight hotel wedding party birthday holiday vacation dog cat pet pets baby kids kid boy girl boys girls guy lady
grandma grandpa parents folks family families neighbor boss coworker employee employees staff crew team member members
green red blue black white gray grey yellow orange purple brown pink small large huge tiny tall heavy light cheap
cheaper free broken dirty clean cold hot warm dry wet empty fair true false wrong simple complicated hard soft strong
weak extra special normal regular basic full half double single annual monthly weekly daily quarterly
handles pays signs lives works thinks likes needs uses drives owns runs manages decides agrees says
tech technician driver installer agent rep reps salesman supervisor super bookkeeper contractor electrician plumber
"""

_SPANISH = """
oiga oigame perdone perdona digamos recibo recibi recibido semana semanas ano anos puerta colgar llaman cuenteme
cuentame esperaba pena mirar miro mirando pagina deje deja dejo contesta contestar coach tarifas tarifario explique
expliqueme mandeme mandame mande envieme enviame gracias agradezco molestar molesta prisa ocupada ocupado manejando
trabajando comiendo a abajo acaso acepto acuerdo ademas adelante adios ahi ahora ahorita al algo alguien algun alguna
algunas alguno algunos alla alli ambos amigo amiga ando ante antes anterior apellido apellidos aparte apenas aqui
aquel aquella aquello asi aun aunque ay ayer ayuda ayudar bajo barato bastante bien bueno buena buenas buenos busco
cada caro casa casi caso cerca cien cierto claro cliente como compania compra comprar con conmigo conoce conozco
contacto contigo contra correcto correo cosa cosas costo creo cual cuales cualquier cuando cuanta cuantas cuanto
cuantos cuenta cuesta cuidado da dar datos de debe debo decia decir dejame del demas dentro desde despues dia dias
dice dicen diga digame digo dime direccion disculpa disculpe domicilio don dona donde dos durante duda e el ella ellas
ellos email empresa en encanta encantada encantado entiendo entonces entre era eran eres es esa esas ese eso esos
espera espere esposa esposo esta estaba estamos estan estar estas este esto estos estoy exacto excelente explica falta
favor fecha fue fuera fui funciona gran grande gusta gustaria gusto ha habla hablar hablo hace hacer haces hacia hago
han has hasta hay he hemos hermana hermano hija hijo hola hora horas hoy igual importa importante incluso informacion
interesa interesada interesado ir jamas joven junto la las le les letra lista listo llama llamada llamar llamo lleva
llevo lo los luego lugar madre mal mama manana mando manera marido mas mayor me mediante medio mejor menor menos
mensaje mes meses mi mia mientras mil millones minuto minutos mio mira mire mis misma mismo modo momento momentito
mucha muchas mucho muchos mujer muy nada nadie necesito ni ninguna ninguno ningun no noche nombre nos nosotras
nosotros nuestra nuestro nueva nuevo numero nunca o objeto ocupo ok okey otra otras otro otros oye padre pagar pago
papa para parece parte pasa paso pedido pensar pequeno perdon perfecto pero persona personas poco podemos poder podria
podrian pone poner pongo por porque posible precio prefiero pregunta preguntar primer primera primero pronto propia
propio puede pueden puedo pues punto que quede queda quedo quien quienes quiera quiere quieren quiero quisiera quiza
quizas rapido raro razon realmente reciba recibir repito respecto saber sabe saludos se sea segun segunda segundo
segura seguro sera seria senor senora senorita servicio si sido siempre siendo sigo siguiente sin sino sirve sobre
sola solamente solo somos son soy sr sra su sucede suena sus suya suyo tal tambien tampoco tan tanto tarde te telefono
tema tener tengo tenia tercera tiempo tiene tienen tienes tipo toda todas todavia todo todos tomar total trabajar
trabajo trato tres tu tus tuyo ultima ultimo un una unas uno unos usar usted ustedes va vale vamos van varias varios
vaya veces ver verdad vez vida viene vive vivo vivimos voy y ya yo bienvenido atentamente apunta anota apunte anote
escriba escribe deletreo deletrear mayuscula minuscula letras guion arroba doble cero cuatro cinco seis siete ocho
nueve diez calle avenida colonia ciudad estado pais codigo postal numeros celular movil cel tarjeta credito ingles
espanol espanola mexicano mexicana americano americana diabetico diabetica casado casada soltero soltera jubilado
jubilada estudiante maestro maestra medico medica ingeniero ingeniera abogado abogada contador contadora dueno duena
gerente vendedor vendedora vegano vegana consciente capaz fan nuevos alto alta honesto honesta sincero sincera enero
febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre lunes martes miercoles
jueves viernes sabado domingo hombre ajaja ajajaja ajo aja eh em mmm ah llamando llame marque comunico comunica
contesto escuchar escucho oir oigo ventas sistema registrada registrado registre titular vengo venimos interesados
trabaja vive piensa opina maneja lleva paga compra usa viaja anda llega sale entra sube baja come duerme estudia cuida
ayuda necesita prefiere conoce insiste decide firma cobra vende atiende revisa llora juega cocina sufre padece tuvo
estuvo vino hizo puso trajo supo pudo pago compro vendio llego salio entro murio fallecio nacio
enfermo trabajo estudio viajo
autonomo autonoma iva modelo marca mercado oficina bodega fabrica taller tienda local negocio iglesia comunidad equipo
contrato renta seguro garantia instalacion mantenimiento descuento oferta promocion cupon tarifa cuota mensualidad
tarjetas factura facturas recibo recibos cotizacion catalogo folleto muestra prueba demo licencia usuarios clave
acceso pagina sitio red internet senal velocidad megas telefono linea lineas equipos aparato pantalla cable camara
sistema programa aplicacion version nube datos carro coche camioneta moto llantas gasolina viaje vuelo boda fiesta
cumpleanos vacaciones escuela clase clases curso cursos examen materia colegio universidad trabajos salud doctor cita
citas receta medicina dolor cirugia seguro hospital clinica banco credito prestamo deuda intereses ahorro inversion
verde rojo azul negro blanco gris rosa amarillo grandes pequenos rapida lenta lento fuerte facil dificil imposible
especial normal distinto distinta diferente diferentes completo completa incluido incluida gratis caros cara baratos
frio caliente limpio sucio roto rota lleno vacio abierto cerrado cerca lejos arriba afuera adentro enfrente junto
fin final principio mitad resto cosa rato ratito plazo fecha fechas primera tercer cuarta quinta lado problema
problemas queja reclamo solucion respuesta duda dudas idea ideas opcion opciones razon motivo forma tipos clase
"""

COMMON = frozenset(_ENGLISH.split()) | frozenset(_SPANISH.split())
"""Plain forms, as ``said.plain`` makes them."""

NO_NAME_ENDINGS = tuple(
    words(
        """
        ing ed ly ando iendo mente aron ieron aba amos emos imos n't tion cion 's melo selo telo rme rlo rla rle nme nlo
        """
    )
)
"""Words end so far more often than names do; COMMON cannot hold every form of every verb."""

HESITATIONS = words(
    """
    uh um er em eh ah hm hmm mm mmm mhm este esto pues bueno luego despues then like so okay ok well sorry perdon
    digo espera espere wait again otra vez aja uy ay yes yeah yep right si uhm eso ahi va sigue coma
    """
)
"""What people say while they think of the next digit or letter."""
ROLES = words(
    """
    sobrino sobrina primo prima cunado cunada nuera yerno suegro suegra abuelo abuela tio tia nieto nieta vecino
    vecina novio novia pareja esposo esposa marido mujer hijo hija hermano hermana mama papa madre padre amigo amiga
    jefe jefa companero companera colega cliente clienta socio socia asistente secretaria doctor doctora licenciado
    licenciada ingeniero ingeniera arquitecto arquitecta profesor profesora maestro maestra contador contadora
    gerente senor senora llamado llamada apellido titular hijos gemelos gemelas arrendatario inquilino inquilina
    atentamente atte son daughter husband wife mom dad mother father brother sister nephew niece cousin uncle aunt
    grandma grandpa grandmother grandfather coworker boss manager roommate neighbor neighbour partner fiance fiancee
    girlfriend boyfriend vet dr doctor nurse tutor instructor teacher dentist therapist assistant colleague landlord
    tenant twins kids friend named called under signed law mr mrs ms sr sra dra lic ing prof don dona regards sincerely
    """
)
"""Behind one of these a word in capitals is somebody's name."""

PLACES = words(
    """
    relief rights democratic republic refugees region scouts scout trail services service programs charities
    organizations campaign emergency executive officer coast desert springs train prize peace girls boys club clubs
    design science tree leone faso lanka leader recovery support sales department departamento government gobierno
    congress senate ministry ministerio secretaria instituto registro civil camara comercio clinic pharmacy farmacia
    supermarket market mercado gym academy academia theater museum stadium airport terminal express group grupo
    solutions soluciones systems sistemas holdings partners associates bros saint san santa america american
    americans usa uk africa african asia asian europe european latin north south east west syria syrian uganda
    somalia yemen haiti ethiopia kenya nigeria congo sudan palestine israel iraq iran afghanistan pakistan india
    indian china chinese japan japanese korea korean vietnam philippines australia canada canadian mexico mexican
    spain spanish france french germany german italy italian england english british london ireland irish scotland
    brazil argentina colombia chile peru venezuela cuba guatemala honduras salvador panama ecuador bolivia uruguay
    paraguay texas california florida york jersey ohio michigan georgia carolina virginia arizona nevada colorado
    oregon alaska hawaii illinois indiana kansas kentucky tennessee alabama louisiana missouri minnesota wisconsin
    iowa utah maine vermont delaware maryland pennsylvania massachusetts connecticut oklahoma nebraska wyoming
    montana idaho dakota washington chicago boston houston dallas austin seattle denver miami atlanta phoenix vegas
    angeles francisco diego madrid barcelona sevilla valencia bilbao malaga zaragoza monterrey guadalajara puebla
    queretaro merida cancun tijuana cdmx oaxaca toluca leon chiapas yucatan jalisco sonora sinaloa espana estados
    unidos europa asia republica christmas easter thanksgiving halloween god jesus christ bible lord christian
    catholic muslim jewish amazon google facebook twitter instagram youtube netflix apple microsoft android iphone
    whatsapp zoom paypal mturk turk mechanical amex visa mastercard unicef children charity fund foundation
    organization internet covid united states kingdom puerto rico red cross world war warrior wounded project hand
    national hospital park middle eastern western northern southern council security court gaza strip ukraine
    ukrainian myanmar security center centre university college school house home club society army salvation
    habitat humanity shriners doctors borders humane animal rescue international global institute foundation
    association church bank airlines hotel harley davidson mcdonalds mcdonald hurricane navigator charity's asians
    security url un dc nyc la sf us eu covid hiv aids cancer st saint jude santa claus ronald disney marvel star
    wars trek black friday super bowl mount mountain lake river valley beach island bay creek grand canyon
    yellowstone yosemite sierra rocky rockies niagara hawaii cascade cascades union station airport gods banco
    hospital clinica escuela universidad colegio hotel restaurante plaza centro nacional internacional seguro prime
    longevity starter pro elite plan program programa premium basic gold internet wifi ok hi hey lol omg tv pc ai
    monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december enero febrero marzo abril mayo junio julio agosto septiembre octubre
    noviembre diciembre inc llc corp co sa cv ltd street avenue ave road st dr blvd lane
    """
)
"""What is written with capitals and names no person."""
